/*
 * The stack of cards. A card is a function that draws and waits for keys; the C
 * stack is the stack of cards.
 *
 * message.c	help_card()	the keys, those of boards or of mail
 *		read_card()	the current message, and by n and p its
 *				neighbours
 * list.c	list_card()	the open maildrop or board; the key that leaves
 *				it
 * boards.c	boards_card()	the boards, and back to the user's maildrop
 */
#ifndef CARDS_H
#define CARDS_H

#include "maildrop.h"

void	help_card(struct session *, bool board);
void	read_card(struct session *);
int	list_card(struct session *);
void	boards_card(struct session *);

#endif
